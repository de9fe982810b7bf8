// What other machines measured: folders of ecg-bench, or bundles of kits, whose every file is one of the models.
process MERGE {
    label 'small'

    input:
    path measured, stageAs: 'measured/*/*'
    path models, stageAs: 'models/*'        // or []
    path runs, stageAs: 'runs/*'            // without models: whose networks they may be

    output:
    path 'latency'             // latency.parquet, times.parquet, environment-*.json, control-*.json

    script:
    """
    : ${task.ext.code}
    ecg-merge --latency measured/*/* ${models ? '--models models/*' : '--runs runs/*'} --out latency
    """

    stub:
    """
    mkdir latency && touch latency/latency.parquet latency/times.parquet
    """
}
