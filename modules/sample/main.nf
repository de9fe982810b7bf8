include { quoted } from '../../subworkflows/quoted'

// Draws the runs and says, as the first lines of a run, what they will cost.
process SAMPLE {
    label 'small'
    debug true

    input:
    path study
    val classes                // 26, or how many the label set has
    path split                 // tells the number of training recordings
    path rounds, stageAs: 'rounds/*'    // of scaling, whose runs are added; or []

    output:
    path 'plan/runs.jsonl', emit: runs
    path 'plan/plan.json', emit: plan
    path 'plan/memory.csv', emit: memory
    path 'plan/datapackage.json', emit: described     // the two tables, with their digests

    script:
    """
    : ${task.ext.code}
    ecg-sample --study ${quoted(study)} --classes ${quoted(classes)} --split ${quoted(split)} --plan --out plan --cpus ${task.cpus} \\
        ${rounds ? '--rounds rounds/*' : ''} ${task.ext.most ? '--memory ' + quoted(task.ext.most) : ''}
    """

    stub:
    """
    mkdir plan && touch plan/plan.json plan/memory.csv plan/datapackage.json && printf '{}\\n{}\\n{}\\n' > plan/runs.jsonl
    if grep -q '"trials"' ${quoted(study)}; then printf '{"tuning": {"group": "stub"}}\\n' >> plan/runs.jsonl; fi
    """
}
