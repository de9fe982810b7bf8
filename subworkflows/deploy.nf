// The best models on validation -> deployable files, and how fast they run here.
include { EXPORT } from '../modules/export'
include { BENCH } from '../modules/bench'

workflow DEPLOY {
    take:
    trained
    runs
    corpus
    split
    study
    labels

    main:
    EXPORT(trained, runs, corpus, split, study, labels)
    BENCH(EXPORT.out, study, params.runtimes, params.devices)

    emit:
    models = EXPORT.out
    latency = BENCH.out
}
