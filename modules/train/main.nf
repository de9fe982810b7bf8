// A batch of runs, so that the start-up is paid once. Checkpoints lie outside the task folder: a killed batch continues.
process TRAIN {
    tag "${meta.id}"
    label 'gpu'

    input:
    tuple val(meta), path(runs)    // [id: 'runs-0001'], lines of runs.jsonl
    path shards, stageAs: 'corpus/*'
    path split
    val checkpoints

    output:
    tuple val(meta), path('trained/*'), emit: trained    // one folder a run_id

    script:
    """
    : ${task.ext.code}
    ecg-train --runs ${runs} --corpus corpus/* --split ${split} --checkpoints '${checkpoints}' --out trained \\
        --device ${task.ext.device} --cpus ${task.cpus}
    """

    stub:
    """
    for run in \$(seq \$(wc -l < ${runs})); do mkdir -p trained/${meta.id}-\$run && touch trained/${meta.id}-\$run/run.json; done
    """
}
