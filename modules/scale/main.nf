include { quoted } from '../../subworkflows/quoted'

// Rounds of scaling: the trained ones judged, the next one foretold before it is trained. What was foretold is never
// made again: only a new round has a file.
process SCALE {
    label 'small'

    input:
    path table                 // of COLLECT
    path trained, stageAs: 'trained/*'
    path rounds, stageAs: 'earlier/*'       // round-01.json, ... of earlier runs, or []
    path split
    path study

    output:
    path 'rounds/{rounds.csv,decision.json,datapackage.json}', emit: verdict
    path 'rounds/round-*.json', emit: next, optional: true

    script:
    """
    : ${task.ext.code}
    ecg-scale --runs ${quoted(table)}/runs.parquet --trained trained/* --study ${quoted(study)} --split ${quoted(split)} \\
        ${rounds ? '--rounds earlier/*' : ''} --out rounds
    """

    stub:
    """
    mkdir rounds && touch rounds/rounds.csv rounds/decision.json rounds/datapackage.json
    """
}
