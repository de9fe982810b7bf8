// Tables -> laws, fronts, predictor, and the report. Needs no recording, no GPU and no network.
include { FIT } from '../modules/fit'
include { REPORT } from '../modules/report'
include { placed } from './published'

workflow ANALYSIS {
    take:
    runs
    latency                    // folders of latency results; may be empty
    models                     // exported models that the latencies are of; may be empty
    study
    comparisons                // [] where the run began with a table
    split
    plan
    shards
    card
    rounds                     // of scaling; [] without

    main:
    FIT(runs, latency, comparisons, study)
    REPORT(runs, FIT.out, latency, models, comparisons, split, plan, shards, card, rounds)

    emit:
    FIT.out.mix(REPORT.out.page, REPORT.out.answers, REPORT.out.figures, REPORT.out.tables).map { each -> placed(each) }
}
