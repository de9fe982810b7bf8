include { quoted } from '../../subworkflows/quoted'

process SPLIT {
    label 'small'

    input:
    path shards, stageAs: 'corpus/*'
    path others, stageAs: 'others/*'    // the same recordings by further recipes, or []
    path study

    output:
    path 'split'               // split.parquet, split.json

    script:
    """
    : ${task.ext.code}
    ecg-split --corpus corpus/* ${others ? '--others others/*' : ''} --study ${quoted(study)} --out split
    """

    stub:
    """
    mkdir split && touch split/split.parquet split/split.json
    """
}
