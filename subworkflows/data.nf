// Recordings -> a prepared, guarded corpus, its split and its data card.
include { SYNTH } from '../modules/synth'
include { PREPARE } from '../modules/prepare'
include { SPLIT } from '../modules/split'
include { CARD } from '../modules/card'
include { place; below; obstacle } from './places'

// [source: 'ptb', path: <folder>, patients: <file or []>, ...] -> its shards, as many as `size` recordings each ask for
def shards(row, size) {
    def found = below(row.path, row.pattern).size() * row.each
    def count = Math.ceil(found / size) as int
    (count ? 1..count : []).collect { k ->
        def meta = [id: "${row.source}-${k}of${count}".toString(), source: row.source, shard: "${k}/${count}".toString(), dataset: row.dataset, rate: row.rate, leads: row.leads]
        [meta, row.path, row.patients, row.labels, row.mapping]
    }
}

// A line of a sample sheet; its paths are relative to the folder of the sheet.
def located(row, sheet) {
    def found = ['path', 'patients', 'labels', 'mapping'].collectEntries { column ->
        [column, row[column] ? place(row[column] ==~ '(/|[a-z0-9]+://).*' ? row[column] : "${sheet.parent}/${row[column]}") : []]
    }
    found.findAll { _column, path -> path }.each { column, path ->
        def reason = obstacle(path)
        if (reason) {
            error "${sheet}:${row.line ?: ''}: ${column}: ${reason}. Paths are relative to the sheet's folder"
        }
    }
    [source: row.source, pattern: row.pattern ?: '**.hea', each: (row.each ?: '1') as int, dataset: row.dataset, rate: row.rate, leads: row.leads] + found
}

workflow DATA {
    take:
    rows                       // of the checked sample sheet, as JSON; empty channel: synthesize
    sheet                      // where the user has it, or []
    study                      // section file: [data: ...]
    split_study                // section file: [split: ...]
    labels                     // folder
    settings                   // [shard_size: 40000, synthetic_records: 1600, ...]: parameters

    main:
    listed = rows.flatMap { checked -> new groovy.json.JsonSlurper().parse(checked) }.map { row -> located(row, sheet.toAbsolutePath()) }
    made = channel.empty()
    if (!sheet) {
        SYNTH(study.map { _checked -> settings.synthetic_records }, settings.synthetic_seed, settings.synthetic_difficulty)
        made = SYNTH.out.map { corpus -> corpus.resolve('sheet.csv') }
            .flatMap { table -> table.splitCsv(header: true).collect { row -> located(row, table) } }
    }
    // here, not in shards(): of an error in a function that an operator calls, 24.10 tells no message
    parts = listed.mix(made).flatMap { row ->
        def found = shards(row, settings.shard_size)
        if (!found) {
            error "${row.path}: no .hea file or other recording in this folder or below it. Give the folder that holds the recordings of ${row.source}"
        }
        found
    }
    PREPARE(parts, study, labels)
    corpus = PREPARE.out.shard.toSortedList { a, b -> a[0].id <=> b[0].id }.map { all -> all.collect { _meta, shard -> shard } }
        .filter { all -> all.size() > 0 }         // [ptb-1of2/, ptb-2of2/, ...]; nothing where a shard failed
    SPLIT(corpus, split_study)
    SPLIT.out.map { split -> split.resolve('split.json').text }
        .subscribe { text -> if (text) new groovy.json.JsonSlurper().parseText(text).warnings.each { warning -> log.warn warning } }
    CARD(corpus, labels)

    emit:
    corpus
    split = SPLIT.out
    card = CARD.out
    published = PREPARE.out.tables.mix(SPLIT.out, CARD.out).map { folder -> ["corpus/${folder.name}".toString(), folder] }
}
