include { quoted } from '../../subworkflows/quoted'

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
    ecg-train --runs ${quoted(runs)} --corpus corpus/* --split ${quoted(split)} --checkpoints ${quoted(checkpoints)} --out trained \\
        --device ${quoted(task.ext.device)} --cpus ${task.cpus}
    """

    stub:
    """
    for run in \$(seq \$(wc -l < ${quoted(runs)})); do mkdir -p trained/${quoted(meta.id)}-\$run && touch trained/${quoted(meta.id)}-\$run/run.json; done
    """
}
