include { quoted } from '../../subworkflows/quoted'

process REPORT {
    label 'small'

    input:
    path runs, stageAs: 'runs/*'
    path fit
    path latency, stageAs: 'latency/*/*'
    path models, stageAs: 'models/*'
    path comparisons, stageAs: 'table/*'
    path split, stageAs: 'split/*'
    path plan, stageAs: 'plan/*'
    path shards, stageAs: 'corpus/*'
    path card, stageAs: 'card/*'
    path rounds, stageAs: 'rounds/*'    // rounds.csv, decision.json, datapackage.json; or []
    val command                         // that the page tells as its own

    output:
    path 'report/report.html', emit: page
    path 'report/answers.txt', emit: answers        // for the terminal
    path 'report/figures', emit: figures
    path 'report/tables', optional: true, emit: tables

    script:
    """
    : ${task.ext.code}
    ecg-report --runs ${quoted(runs)} --fit ${quoted(fit)} ${latency ? '--latency latency/*/*' : ''} ${models ? '--models models/*' : ''} ${split ? '--split ' + quoted(split) : ''} \\
        ${comparisons ? '--comparisons ' + quoted(comparisons) : ''} ${plan ? '--plan ' + quoted(plan) : ''} ${shards ? '--shards corpus/*/shard.json' : ''} \\
        ${card ? '--card ' + quoted(card) : ''} ${rounds ? '--rounds rounds' : ''} \\
        --command ${quoted(command)} --out report --cpus ${task.ext.here ?: task.cpus}
    """

    stub:
    """
    mkdir -p report/figures && touch report/report.html report/answers.txt
    """
}
