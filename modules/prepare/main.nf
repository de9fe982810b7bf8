process PREPARE {
    tag "${meta.id}"
    label 'cpu'

    input:
    tuple val(meta), path(folder, stageAs: 'recordings/*'), path(patients, stageAs: 'patients/*')  // [id: 'ptb-1of2', source: 'ptb', shard: '1/2']
    path study
    path labels

    output:
    tuple val(meta), path("${meta.id}"), emit: shard
    path "${meta.id}/*.{parquet,csv,json}", emit: tables    // what is published: all but the signals

    script:
    """
    : ${task.ext.code}
    ecg-prepare --source ${meta.source} --folder ${folder} ${patients ? "--patients ${patients}" : ''} \\
        --shard ${meta.shard} --study ${study} ${labels ? "--labels ${labels}" : ''} --out ${meta.id} --cpus ${task.cpus}
    """

    stub:
    """
    mkdir ${meta.id} && touch ${meta.id}/signals.npy ${meta.id}/records.parquet ${meta.id}/rejects.csv ${meta.id}/shard.json
    """
}
