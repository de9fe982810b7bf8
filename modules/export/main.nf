include { quoted } from '../../subworkflows/quoted'

process EXPORT {
    label 'cpu'

    input:
    path trained, stageAs: 'trained/*'
    path runs, stageAs: 'runs/*'    // runs.parquet: chooses on validation
    path shards, stageAs: 'corpus/*'
    path split
    path study
    path labels, stageAs: 'labels/*'

    output:
    path 'models/*', optional: true     // one folder a model; none with deploy.top 0

    script:
    """
    : ${task.ext.code}
    ecg-export --trained trained/* --runs ${quoted(runs)} --corpus corpus/* --split ${quoted(split)} --study ${quoted(study)} \\
        --labels ${quoted(labels)} --out models --cpus ${task.ext.here ?: task.cpus}
    """

    stub:
    """
    mkdir -p models/stub && touch models/stub/export.json
    """
}
