process SAMPLE {
    label 'small'

    input:
    path study
    val classes                // 26, or how many the label set has

    output:
    path 'plan/runs.jsonl', emit: runs
    path 'plan/plan.json', emit: plan

    script:
    """
    : ${task.ext.code}
    ecg-sample --study ${study} --classes ${classes} --out plan
    """

    stub:
    """
    mkdir plan && touch plan/plan.json && printf '{}\\n{}\\n{}\\n' > plan/runs.jsonl
    """
}
