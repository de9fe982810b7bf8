include { quoted } from '../../subworkflows/quoted'

process PREPARE {
    tag "${meta.id}"
    label 'cpu'

    input:
    tuple val(meta), path(folder, stageAs: 'recordings/*'), path(patients, stageAs: 'patients/*'),
        path(table, stageAs: 'table/*'), path(mapping, stageAs: 'mapping/*')    // [id: 'ptb-1of2', source: 'ptb', shard: '1/2', dataset: 'ptb-xl', rate: '', leads: '', recipe: '']
    path study
    path labels, stageAs: 'classes/*'

    output:
    tuple val(meta), path("${meta.id}"), emit: shard
    path "published/${meta.id}", emit: tables       // all but the signals

    script:
    """
    : ${task.ext.code}
    ecg-prepare --source ${quoted(meta.source)} --folder ${quoted(folder)} \\
        ${meta.dataset ? '--dataset ' + quoted(meta.dataset) : ''} ${meta.rate ? '--rate ' + quoted(meta.rate) : ''} ${meta.leads ? '--leads=' + quoted(meta.leads) : ''} ${meta.recipe ? '--recipe ' + quoted(meta.recipe) : ''} \\
        ${patients ? '--patients ' + quoted(patients) : ''} ${table ? '--table ' + quoted(table) : ''} ${mapping ? '--mapping ' + quoted(mapping) : ''} \\
        --shard ${quoted(meta.shard)} --study ${quoted(study)} --labels ${quoted(labels)} --out ${quoted(meta.id)} --cpus ${task.cpus}
    mkdir -p published/${quoted(meta.id)} && cp ${quoted(meta.id)}/*.parquet ${quoted(meta.id)}/*.csv ${quoted(meta.id)}/*.json published/${quoted(meta.id)}/
    """

    stub:
    """
    mkdir -p ${quoted(meta.id)} published/${quoted(meta.id)} && touch ${quoted(meta.id)}/signals.npy {.,published}/${quoted(meta.id)}/{records.parquet,rejects.csv,shard.json}
    """
}
