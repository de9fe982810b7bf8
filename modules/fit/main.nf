include { quoted } from '../../subworkflows/quoted'

process FIT {
    label 'cpu'

    input:
    path runs, stageAs: 'runs/*'    // runs.parquet, or any table with a score and a size
    path latency, stageAs: 'latency/*/*'
    path comparisons, stageAs: 'table/*'    // or []
    path study

    output:
    path 'fit'                 // laws.json, laws.csv, frontier.csv, predictor.json, importance.csv, predicted.csv, effects.parquet, optima.csv, rates.csv

    script:
    """
    : ${task.ext.code}
    ecg-fit --runs ${quoted(runs)} ${latency ? '--latency latency/*/*/latency.parquet' : ''} \\
        ${comparisons ? '--comparisons ' + quoted(comparisons) : ''} --study ${quoted(study)} --out fit --cpus ${task.ext.here ?: task.cpus} \\
        || [ \$? -eq 3 ]      # no law could be asked: the files say why, and so does the report
    """

    stub:
    """
    mkdir fit && touch fit/laws.json fit/laws.csv
    """
}
