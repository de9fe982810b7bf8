process COLLECT {
    label 'small'

    input:
    path trained, stageAs: 'trained/*'
    path evaluated, stageAs: 'evaluated/*'
    path tuning, stageAs: 'tuning/?/*'      // or []

    output:
    path 'table'               // runs.parquet and .csv; axes.csv, differences.csv, noise.csv, sources.csv, scores.parquet, histories.parquet, chosen/; tuning.csv where rates were tuned

    script:
    """
    : ${task.ext.code}
    ecg-collect --trained trained/* --evaluated evaluated/* ${tuning ? '--tuning tuning/*/tuning.csv' : ''} --out table
    """

    stub:
    """
    mkdir table && touch table/runs.parquet table/runs.csv table/differences.csv
    """
}
