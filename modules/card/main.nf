include { quoted } from '../../subworkflows/quoted'

process CARD {
    label 'small'

    input:
    path shards, stageAs: 'corpus/*'
    path labels, stageAs: 'labels/*'

    output:
    path 'card'                // card.html, counts.csv, sources.csv, figures/

    script:
    """
    : ${task.ext.code}
    ecg-card --corpus corpus/* --labels ${quoted(labels)} --out card
    """

    stub:
    """
    mkdir -p card/figures && touch card/card.html card/counts.csv card/sources.csv
    """
}
