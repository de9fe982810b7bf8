process COLLECT {
    label 'small'

    input:
    path trained, stageAs: 'trained/*'
    path evaluated, stageAs: 'evaluated/*'

    output:
    path 'table'               // runs.parquet and .csv; differences.csv, noise.csv, sources.csv

    script:
    """
    : ${task.ext.code}
    ecg-collect --trained trained/* --evaluated evaluated/* --out table
    """

    stub:
    """
    mkdir table && touch table/runs.parquet table/runs.csv table/differences.csv
    """
}
