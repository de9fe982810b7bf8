// Recordings -> a prepared, guarded corpus, its split and its data card.
include { SYNTH } from '../modules/synth'
include { PREPARE } from '../modules/prepare'
include { SPLIT } from '../modules/split'
include { CARD } from '../modules/card'
include { place; below; obstacle } from './places'

// [source: 'ptb', path: <folder>, patients: <file or []>, ...] -> its shards, as many as `size` recordings each ask for,
// by each recipe; the first recipe gives a shard's name nothing
def shards(row, size, recipes) {
    def found = below(row.path, row.pattern).size() * row.each
    def count = Math.ceil(found / size) as int
    [recipes, count ? 1..count : []].combinations { recipe, k ->
        def further = recipe == recipes[0] ? '' : recipe
        def meta = [id: "${row.source}-${k}of${count}${further ? '.' + further : ''}".toString(), source: row.source, shard: "${k}/${count}".toString(), recipe: further, dataset: row.dataset, rate: row.rate, leads: row.leads]
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
    recipes = study.map { section -> new groovy.json.JsonSlurper().parse(section).data.recipe }.map { named -> [named].flatten() }
    parts = listed.mix(made).combine(recipes.map { names -> [names] }).flatMap { row, names ->
        def found = shards(row, settings.shard_size, names)
        if (!found) {
            error "${row.path}: no .hea file or other recording in this folder or below it. Give the folder that holds the recordings of ${row.source}"
        }
        found
    }
    PREPARE(parts, study, labels)
    prepared = PREPARE.out.shard.toSortedList { a, b -> a[0].id <=> b[0].id }.filter { all -> all.size() > 0 }      // nothing where a shard failed
    corpus = prepared.map { all -> all.findAll { meta, _shard -> !meta.recipe }.collect { _meta, shard -> shard } }   // [ptb-1of2/, ptb-2of2/, ...]
    others = prepared.map { all -> all.findAll { meta, _shard -> meta.recipe }.collect { _meta, shard -> shard } }    // by further recipes; may be []
    SPLIT(corpus, others, split_study)
    SPLIT.out.map { split -> split.resolve('split.json').text }
        .subscribe { text -> if (text) new groovy.json.JsonSlurper().parseText(text).warnings.each { warning -> log.warn warning } }
    CARD(corpus, labels)

    emit:
    corpus
    corpora = prepared.map { all -> all.collect { _meta, shard -> shard } }      // by every recipe
    split = SPLIT.out
    card = CARD.out
    published = PREPARE.out.tables.mix(SPLIT.out, CARD.out).map { folder -> ["corpus/${folder.name}".toString(), folder] }
}
