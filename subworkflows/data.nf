// Recordings -> a prepared, guarded corpus, its split and its data card.
include { SYNTH } from '../modules/synth'
include { PREPARE } from '../modules/prepare'
include { SPLIT } from '../modules/split'
include { CARD } from '../modules/card'

// [source: 'ptb', path: <folder>, patients: <file or []>] -> how many shards, told by the number of files
def shards(row) {
    def found = files("${row.path}/${row.pattern}").size()
    int count = Math.ceil(found / (params.shard_size as double))
    (1..<(count + 1)).collect { k -> [[id: "${row.source}-${k}of${count}", source: row.source, shard: "${k}/${count}", layout: row.layout],
                                      row.path, row.patients, row.labels, row.mapping] }
}

// A line of a sample sheet; its paths are relative to the folder of the sheet.
def located(row, sheet) {
    def place = { column ->
        def found = file(row[column] ==~ /^(\/|[a-z0-9]+:\/\/).*/ ? row[column] : "${sheet.parent}/${row[column]}")
        if (!found.exists()) error "${sheet}:${row.line ?: ''}: ${column}: ${found} does not exist. Paths are relative to the sheet's folder"
        found
    }
    def layout = (row.dataset ? "--dataset ${row.dataset}" : '') + (row.rate ? " --rate ${row.rate}" : '')
    def tables = ['patients', 'labels', 'mapping'].collectEntries { column -> [column, row[column] ? place(column) : []] }
    [source: row.source, path: place('path'), pattern: row.pattern ?: '**.hea', layout: layout] + tables
}

workflow DATA {
    take:
    sheet                      // checked sample sheet; empty channel: synthesize
    study                      // section file: [data: ...]
    split_study                // section file: [split: ...]
    labels                     // folder, or []

    main:
    given = sheet.splitCsv(header: true).map { row -> located(row, file(params.input).toAbsolutePath()) }
    made = Channel.empty()
    if (!params.input) {
        SYNTH(study.map { params.synthetic_records }, params.synthetic_seed, params.synthetic_difficulty)    // after the checks
        made = SYNTH.out.map { it.resolve('sheet.csv') }.flatMap { sheet -> sheet.splitCsv(header: true).collect { row -> located(row, sheet) } }
    }
    tasks = given.mix(made).flatMap { row ->
        shards(row) ?: error("${row.path}: no recording in this folder or below it. Give the folder that holds the recordings of ${row.source}")
    }
    PREPARE(tasks, study, labels)
    corpus = PREPARE.out.shard.toSortedList { a, b -> a[0].id <=> b[0].id }.map { all -> all.collect { it[1] } }
        .filter { it }         // [ptb-1of2/, ptb-2of2/, ...]; nothing where a shard failed
    SPLIT(corpus, split_study)
    SPLIT.out.map { split -> split.resolve('split.json').text }
        .subscribe { text -> if (text) new groovy.json.JsonSlurper().parseText(text).warnings.each { warning -> log.warn warning } }
    CARD(corpus, labels)

    emit:
    corpus
    split = SPLIT.out
    card = CARD.out
}
