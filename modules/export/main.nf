process EXPORT {
    label 'cpu'

    input:
    path trained, stageAs: 'trained/*'
    path runs                  // runs.parquet: chooses on validation
    path shards, stageAs: 'corpus/*'
    path split
    path study
    path labels

    output:
    path 'models/*'            // one folder a model

    script:
    """
    : ${task.ext.code}
    ecg-export --trained trained/* --runs ${runs} --corpus corpus/* --split ${split} --study ${study} \\
        ${labels ? "--labels ${labels}" : ''} --out models --cpus ${task.cpus}
    """

    stub:
    """
    mkdir -p models/stub && touch models/stub/export.json
    """
}
