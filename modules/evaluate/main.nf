include { quoted } from '../../subworkflows/quoted'

process EVALUATE {
    tag "${meta.id}"
    label 'gpu'

    input:
    tuple val(meta), path(trained, stageAs: 'trained/*')
    path shards, stageAs: 'corpus/*'
    path split
    path study
    path labels, stageAs: 'labels/*'

    output:
    path 'evaluated/*', emit: evaluated     // one folder a run_id

    script:
    """
    : ${task.ext.code}
    ecg-evaluate --trained trained/* --corpus corpus/* --split ${quoted(split)} --study ${quoted(study)} \\
        --labels ${quoted(labels)} --out evaluated --device ${quoted(task.ext.device)} --cpus ${task.cpus}
    """

    stub:
    """
    for run in trained/*; do mkdir -p evaluated/\${run##*/} && touch evaluated/\${run##*/}/metrics.csv; done
    """
}
