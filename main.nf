#!/usr/bin/env nextflow
// ecgscale: recordings and a study in; scaling laws, models, latencies and one report out.
include { help         } from './subworkflows/help'
include { parameters; keep   } from './subworkflows/parameters'
include { place; given; ensured; grounds } from './subworkflows/places'
include { claim        } from './subworkflows/claim'
include { ended; again; compared; prepared; foretold } from './subworkflows/published'
include { CHECK; section } from './modules/check'
include { VERSIONS; codeDigest } from './subworkflows/versions'
include { DATA         } from './subworkflows/data'
include { MODELS       } from './subworkflows/models'
include { DEPLOY       } from './subworkflows/deploy'
include { ANALYSIS     } from './subworkflows/analysis'

workflow {
    if ('true' in [params.help.toString(), params.version.toString()]) {
        log.info(params.version.toString() == 'true' ? "ecgscale ${workflow.manifest.version}" : help())
        return
    }
    told   = parameters(params)
    grounds()
    lock   = claim(told.outdir, told.publish_mode)
    keep(told)
    study  = given('--study', place(told.study))
    sheet  = told.input ? given('--input', place(told.input)) : []
    own    = told.labels ? given('--labels', place(told.labels)) : null
    ensured('--checkpoints', place(told.checkpoints))       // a container mounts it
    called = [study: told.study, sheet: told.input, folder: sheet ? sheet.toAbsolutePath().parent.toUriString() : null]
    CHECK("${workflow.manifest.version} ${codeDigest()}", called, !told.runs, study, sheet)
    CHECK.out.problems.subscribe { found -> if (found.text) { error found.text.trim() } }
    VERSIONS(CHECK.out.versions, told.outdir)
    labels = CHECK.out.labels.map { named -> own ?: place("${projectDir}/assets/labels/${named.text.trim()}") }
    sections  = CHECK.out.sections.flatten()     // data.json, split.json, runs.json, ...
    analysis  = section(sections, 'analysis')
    elsewhere = channel.fromList(told.latency ? told.latency.tokenize(',').collect { folder -> given('--latency', place(folder)) } : [])
    scale     = section(sections, 'scale')
    rounds    = foretold(scale, told)
    if (told.runs) {
        table = given('--runs', place(told.runs))
        corpus = prepared(table)
        ANALYSIS(analysis.map { _checked -> table }, channel.empty(), elsewhere, [], analysis, compared(table), corpus.split, [], corpus.shards, corpus.card, [], again(told))
        published = ANALYSIS.out
    }
    else {
        classes = labels.map { folder -> folder.resolve('classes.csv').readLines().findAll { line -> line.trim() }.size() - 1 }
        DATA(CHECK.out.rows, sheet, section(sections, 'data'), section(sections, 'split'), labels, told)
        MODELS(DATA.out.corpora, DATA.out.split, section(sections, 'runs'), section(sections, 'evaluation'), scale, rounds,
               labels, classes, told)
        DEPLOY(MODELS.out.trained, MODELS.out.runs, DATA.out.corpora, DATA.out.split, section(sections, 'deploy'), labels, told)
        ANALYSIS(MODELS.out.runs, DEPLOY.out.latency, elsewhere, DEPLOY.out.models, analysis, MODELS.out.comparisons, DATA.out.split,
                 MODELS.out.plan, DATA.out.corpus, DATA.out.card, MODELS.out.verdict, again(told))
        published = DATA.out.published.mix(MODELS.out.published, DEPLOY.out.published, ANALYSIS.out)
    }
    made = Collections.synchronizedList([])
    published.subscribe { each -> made << each }
    whole = workflow       // inside the handler, 24.10 has no `workflow`
    workflow.onComplete {
        ended(whole, made, told.outdir)
        lock?.close()
    }
}
