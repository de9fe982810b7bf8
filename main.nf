#!/usr/bin/env nextflow
// ecgscale: recordings and a study in; scaling laws, models, latencies and one report out.
import groovy.json.JsonOutput

include { help     } from './subworkflows/help'
include { claim    } from './subworkflows/claim'
include { CHECK    } from './modules/check'
include { VERSIONS; codeDigest } from './subworkflows/versions'
include { DATA     } from './subworkflows/data'
include { MODELS   } from './subworkflows/models'
include { DEPLOY   } from './subworkflows/deploy'
include { ANALYSIS } from './subworkflows/analysis'

// The file of one section of the study, placed by its content: unchanged, it leaves finished tasks alone.
def section(files, name) { files.filter { it.baseName == name }.collectFile { [it.name, it.text] }.first() }

workflow {
    if (params.help) { log.info help(); return }

    taken = claim(params.outdir)
    if (taken) error taken
    stamp = workflow.start.format(java.time.format.DateTimeFormatter.ofPattern('yyyy-MM-dd_HH-mm-ss'))
    file("${params.outdir}/pipeline_info/params_${stamp}.json").text = JsonOutput.prettyPrint(JsonOutput.toJson(params)) + '\n'
    study  = file(params.study, checkIfExists: true)
    sheet  = params.input ? file(params.input, checkIfExists: true) : []
    CHECK("${workflow.manifest.version} ${codeDigest()}", JsonOutput.toJson(params), file("${projectDir}/nextflow_schema.json"), study, sheet)
    CHECK.out.problems.subscribe { if (it.text) error it.text.trim() }
    VERSIONS(CHECK.out.versions)
    labels = CHECK.out.labels.map { params.labels ? file(params.labels, checkIfExists: true) : file("${projectDir}/assets/labels/${it.text.trim()}") }
    sections = CHECK.out.sections.flatten()     // data.json, split.json, runs.json, ...

    elsewhere = params.latency ? Channel.fromPath(params.latency.tokenize(','), type: 'dir', checkIfExists: true) : Channel.empty()
    if (params.runs) {
        runs = section(sections, 'analysis').map { file(params.runs, checkIfExists: true) }
        ANALYSIS(runs, elsewhere.toList(), [], section(sections, 'analysis'), [], [], [], [], [])
    } else {
        classes = labels.map { it.resolve('classes.csv').readLines().findAll { line -> line.trim() }.size() - 1 }
        DATA(CHECK.out.sheet, section(sections, 'data'), section(sections, 'split'), labels)
        MODELS(DATA.out.corpus, DATA.out.split, section(sections, 'runs'), section(sections, 'evaluation'), labels, classes)
        DEPLOY(MODELS.out.trained, MODELS.out.runs, DATA.out.corpus, DATA.out.split, section(sections, 'deploy'), labels)
        ANALYSIS(MODELS.out.runs, DEPLOY.out.latency.mix(elsewhere).toList(), DEPLOY.out.models, section(sections, 'analysis'),
                 MODELS.out.comparisons, DATA.out.split, MODELS.out.plan, DATA.out.corpus, DATA.out.card)
    }
}

workflow.onComplete {
    def done = workflow.stats.succeedCount + workflow.stats.cachedCount
    if (workflow.success && !params.help) log.info "\nReport: ${file(params.outdir).toAbsolutePath()}/report/report.html"
    else if (done > 1) log.info "\nNot finished; ${done} tasks are kept. To go on, run the same command with -resume"
}
