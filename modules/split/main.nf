include { quoted } from '../../subworkflows/quoted'

process SPLIT {
    label 'small'

    input:
    path shards, stageAs: 'corpus/*'
    path study

    output:
    path 'split'               // split.parquet, split.json

    script:
    """
    : ${task.ext.code}
    ecg-split --corpus corpus/* --study ${quoted(study)} --out split
    """

    stub:
    """
    mkdir split && touch split/split.parquet split/split.json
    """
}
