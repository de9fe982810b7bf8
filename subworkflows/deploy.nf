// The best models on validation -> deployable files, and how fast they run here.
include { EXPORT } from '../modules/export'
include { BENCH } from '../modules/bench'
include { placed } from './published'

workflow DEPLOY {
    take:
    trained
    runs
    corpus
    split
    study
    labels
    settings                   // [runtimes: 'torch,openvino', devices: 'cpu', ...]: parameters

    main:
    EXPORT(trained, runs, corpus, split, study, labels)
    BENCH(EXPORT.out, study, settings.runtimes, settings.devices)

    emit:
    models = EXPORT.out.ifEmpty([])     // the report is made without them, too
    latency = BENCH.out
    published = EXPORT.out.flatten().mix(BENCH.out).map { folder -> placed(folder) }
}
