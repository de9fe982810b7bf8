// The results folder when a run has ended: all that its tasks made lies there whole, and what an earlier run left
// beside it is named. Nextflow itself passes by a folder that exists, so what a full disk or a kill cut short would
// stay so for ever.
include { place; below; kept } from './places'
include { quoted } from './quoted'

// The folder of a run table that COLLECT has written, with the comparisons beside it; [] for any other table
def compared(table) {
    table.resolveSibling('scores.parquet').exists() ? table.toAbsolutePath().parent : []
}

// What is known of the recordings of such a table, where it lies as in a results folder, beside the table's folder or in
// it: [split: <folder>, shards: [<folder>, ...], card: <folder>]; [] for what is not there
def prepared(table) {
    def folder = compared(table)
    def corpus = folder ? [folder, folder.parent].collect { each -> each.resolve('corpus') }.find { each -> each.exists() } : null
    [split: holding(corpus, 'split/split.json'), shards: holding(corpus, '*/shard.json'), card: holding(corpus, 'card/counts.csv')]
}

// The folders below another that hold a file; [] of none
def holding(folder, file) {
    folder ? below(folder, file).collect { each -> each.parent }.sort() : []
}

// The command that makes REPORT's page again: a results folder holds what it is made of, but not a table elsewhere
def again(told) {
    def asked = [runs: told.runs, latency: told.latency, study: told.study].findAll { _name, value -> value }.collect { name, value ->
        def word = value.toString().replace("${projectDir}/", '')
        "--${name} ${word ==~ /[\w.\/,:-]+/ ? word : quoted(word)}"
    }
    told.runs ? "./nextflow run . ${asked.join(' ')} --outdir AGAIN" : 'ecg-report --results RESULTS --out report'
}

// The rounds of scaling that earlier runs foretold, [round-01.json, ...], placed by their content: -resume knows them
// again. None where the study does not scale.
def foretold(scale, told) {
    scale.flatMap { study ->
        def asked = new groovy.json.JsonSlurper().parse(study).scale
        if (asked && told.runs) {
            log.warn "--runs: nothing is trained from a table, so the study's section scale is not used. See ecg-next for what to train"
        }
        asked && !told.runs ? below(place("${told.outdir}/rounds"), 'round-*.json') : []
    }
        .map { each -> kept(each.name, each.text) }
        .toSortedList { a, b -> a.name <=> b.name }
}

// <work>/ab/cdef/trained/x -> ['trained/x', <work>/ab/cdef/trained/x]: where in the results it belongs
def placed(path) {
    def parts = workflow.workDir.relativize(path)
    [parts.subpath(2, parts.nameCount).toString(), path]
}

// Every file of what a task made beside its place below `target`
def pairs(source, target) {
    source.isDirectory() ? below(source, '**').collect { each -> [each, target.resolve(source.relativize(each).toString())] } : [[source, target]]
}

// made: [['trained/x', <its source>], ...]. Gives the places that were cut short, after copying what they lack.
def mend(made, outdir) {
    made.collectMany { name, source ->
        def lacking = pairs(source, place(outdir).resolve(name)).findAll { from, to -> !to.exists() || to.size() != from.size() }
        lacking.each { from, to ->
            def part = to.resolveSibling("${to.name}.part")
            to.parent.mkdirs()
            from.copyTo(part)
            part.moveTo(to)
        }
        lacking ? [name] : []
    }
}

// Places of the results folder that this run has not made: those of our names, and no file of anyone else
def earlier(made, outdir) {
    def ours = made.collect { name, _source -> name }
    def top  = ['corpus', 'plan', 'trained', 'evaluated', 'table', 'rounds', 'models', 'latency', 'fit', 'report']
    def inhabited = ours.findAll { name -> name.contains('/') }.collect { name -> name.tokenize('/')[0] }.unique()
    def foreign = (top - ours - inhabited).findAll { name -> place(outdir).resolve(name).exists() }
    def beside  = inhabited.collectMany { name -> place(outdir).resolve(name).list().collect { entry -> "${name}/${entry}".toString() } }
    foreign + (beside - ours).sort()
}

// 'a, b, c, d, e and 7 more'
def some(names) {
    names.take(5).join(', ') + (names.size() > 5 ? " and ${names.size() - 5} more" : '')
}

// The last words of a run: what was mended, what is an earlier run's, where the report is or how to go on
def ended(run, made, outdir) {
    def done = run.stats.succeedCount + run.stats.cachedCount
    if (!run.success) {
        if (done > 1) {
            log.info "\nNot finished; ${done} tasks are kept. To go on, run the same command with -resume"
        }
        return
    }
    try {
        def mended = mend(made, outdir)
        if (mended) {
            log.info "\nPublished again, as it lay there in part only: ${some(mended)}"
        }
    }
    catch (Exception e) {
        log.error "Results are missing in ${outdir}: ${e}. Make room there, then run the same command with -resume"
        nextflow.Global.session.abort(e)
        return
    }
    def others = earlier(made, outdir)
    place("${outdir}/pipeline_info/earlier_results.txt").text = others.collect { name -> "${name}\n" }.join()
    if (others) {
        log.warn "Results of an earlier run are still in ${outdir}, and in no table of this one: ${some(others)} " +
            "(pipeline_info/earlier_results.txt). Remove them, or give each run an --outdir of its own"
    }
    def answers = place("${outdir}/report/answers.txt")
    if (answers.exists()) {
        log.info "\n${answers.text.trim()}"
    }
    log.info "\nReport: ${place(outdir).toAbsolutePath()}/report/report.html"
}
