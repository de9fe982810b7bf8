// A study -> trained and evaluated runs, and one table of them.
include { SAMPLE } from '../modules/sample'
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
    // lines of runs.jsonl -> [[id: 'runs-0001'], runs-0001.jsonl], ... placed by content
    batches = SAMPLE.out.runs.flatMap { it.readLines().collate(params.train_batch).withIndex(1) }
        .collectFile { lines, k -> [String.format('runs-%04d.jsonl', k), lines.join('\n') + '\n'] }
        .map { file -> [[id: file.baseName], file] }
    file(params.checkpoints).mkdirs()      // a container mounts it
    TRAIN(batches, corpus, split, params.checkpoints)
    EVALUATE(TRAIN.out.trained, corpus, split, evaluation, labels)
    trained = TRAIN.out.trained.map { it[1] }.flatten().toSortedList { it.name }.filter { it }
    COLLECT(trained, EVALUATE.out.evaluated.flatten().toSortedList { it.name }.filter { it })

    emit:
    trained
    runs = COLLECT.out.map { it.resolve('runs.parquet') }
    comparisons = COLLECT.out  // of runs, by pairs, by seed and by source
    plan = SAMPLE.out.plan
}
