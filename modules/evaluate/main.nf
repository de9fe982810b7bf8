process EVALUATE {
    tag "${meta.id}"
    label 'gpu'

    input:
    tuple val(meta), path(trained, stageAs: 'trained/*')
    path shards, stageAs: 'corpus/*'
    path split
    path study
    path labels

    output:
    path 'evaluated/*', emit: evaluated     // one folder a run_id

    script:
    """
    : ${task.ext.code}
    ecg-evaluate --trained trained/* --corpus corpus/* --split ${split} --study ${study} \\
        ${labels ? "--labels ${labels}" : ''} --out evaluated --device ${task.ext.device} --cpus ${task.cpus}
    """

    stub:
    """
    for run in trained/*; do mkdir -p evaluated/\${run##*/} && touch evaluated/\${run##*/}/metrics.csv; done
    """
}
