process COLLECT {
    label 'small'

    input:
    path trained, stageAs: 'trained/*'
    path evaluated, stageAs: 'evaluated/*'

    output:
    path 'table/runs.parquet', emit: runs
    path 'table/*.csv', emit: csv      // runs, differences, noise, sources

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
