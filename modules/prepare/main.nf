process PREPARE {
    tag "${meta.id}"
    label 'cpu'

    input:
    tuple val(meta), path(folder, stageAs: 'recordings/*'), path(patients, stageAs: 'patients/*'),
        path(table, stageAs: 'table/*'), path(mapping, stageAs: 'mapping/*')    // [id: 'ptb-1of2', source: 'ptb', shard: '1/2', layout: '--dataset ptb-xl']
    path study
    path labels, stageAs: 'classes/*'

    output:
    tuple val(meta), path("${meta.id}"), emit: shard
    path "published/${meta.id}", emit: tables       // all but the signals

    script:
    """
    : ${task.ext.code}
    ecg-prepare --source ${meta.source} --folder ${folder} ${meta.layout} ${patients ? "--patients ${patients}" : ''} \\
        ${table ? "--table ${table}" : ''} ${mapping ? "--mapping ${mapping}" : ''} --shard ${meta.shard} --study ${study} ${labels ? "--labels ${labels}" : ''} --out ${meta.id} --cpus ${task.cpus}
    mkdir -p published/${meta.id} && cp ${meta.id}/*.parquet ${meta.id}/*.csv ${meta.id}/*.json published/${meta.id}/
    """

    stub:
    """
    mkdir -p ${meta.id} published/${meta.id} && touch ${meta.id}/signals.npy {.,published}/${meta.id}/{records.parquet,rejects.csv,shard.json}
    """
}
