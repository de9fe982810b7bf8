// A study -> trained and evaluated runs, and one table of them.
import groovy.json.JsonSlurper

include { SAMPLE } from '../modules/sample'
include { TUNE } from '../modules/tune'
include { TRAIN } from '../modules/train'
include { EVALUATE } from '../modules/evaluate'
include { COLLECT } from '../modules/collect'

workflow MODELS {
    take:
    corpus
    split
    study                      // section files: [runs: ..., evaluation: ...]
    evaluation
    labels
    classes                    // how many

    main:
    SAMPLE(study, classes, split)
    file(params.checkpoints).mkdirs()      // a container mounts it
    // runs.jsonl -> ['regnet-sgd-...', lines that are tuned together], ..., ['', lines whose rate the study gives]
    groups = SAMPLE.out.runs.flatMap { runs -> runs.readLines().groupBy { new JsonSlurper().parseText(it).tuning?.group ?: '' }.collect { [it.key, it.value] } }
        .branch { group, lines -> tuned: group; given: true }
    TUNE(groups.tuned.collectFile { group, lines -> ["${group}.jsonl", lines.join('\n') + '\n'] }.map { file -> [[id: file.baseName], file] },
         corpus, split, params.checkpoints)
    // all lines, in the order of their groups -> [[id: 'runs-0001'], runs-0001.jsonl], ... placed by content
    batches = groups.given.mix(TUNE.out.runs.map { meta, runs -> [meta.id, runs.readLines()] })
        .toSortedList { a, b -> a[0] <=> b[0] }.flatMap { all -> all.collectMany { it[1] }.collate(params.train_batch).withIndex(1) }
        .collectFile { lines, k -> [String.format('runs-%04d.jsonl', k), lines.join('\n') + '\n'] }
        .map { file -> [[id: file.baseName], file] }
    TRAIN(batches, corpus, split, params.checkpoints)
    EVALUATE(TRAIN.out.trained, corpus, split, evaluation, labels)
    trained = TRAIN.out.trained.map { it[1] }.flatten().toSortedList { it.name }.filter { it }
    COLLECT(trained, EVALUATE.out.evaluated.flatten().toSortedList { it.name }.filter { it }, TUNE.out.trials.toSortedList { "$it" })

    emit:
    trained
    runs = COLLECT.out.map { it.resolve('runs.parquet') }
    comparisons = COLLECT.out  // of runs, by pairs, by seed and by source
    plan = SAMPLE.out.plan
}
