include { quoted } from '../../subworkflows/quoted'

// Learning rates that the study gives as a range, chosen on validation before the runs are trained.
process TUNE {
    tag "${meta.id}"
    label 'gpu'

    input:
    tuple val(meta), path(runs)    // [id: 'regnet-adamw-19362to32858-0c1d'], the runs that share a rate
    path shards, stageAs: 'corpus/*'
    path split
    val checkpoints

    output:
    tuple val(meta), path('tuned/runs.jsonl'), emit: runs    // the same runs at the rate that was chosen
    path 'tuned/tuning.csv', emit: trials

    script:
    """
    : ${task.ext.code}
    ecg-tune --runs ${quoted(runs)} --corpus corpus/* --split ${quoted(split)} --checkpoints ${quoted(checkpoints)} --out tuned \\
        --device ${quoted(task.ext.device)} --cpus ${task.cpus}
    """

    stub:
    """
    mkdir tuned && cp ${quoted(runs)} tuned/runs.jsonl && touch tuned/tuning.csv
    """
}
