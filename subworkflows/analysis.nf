// Tables -> laws, fronts, predictor, and the report. Needs no recording, no GPU and no network.
include { MERGE } from '../modules/merge'
include { FIT } from '../modules/fit'
include { REPORT } from '../modules/report'
include { placed } from './published'

workflow ANALYSIS {
    take:
    runs
    latency                    // folder of latency results of this machine; may be empty
    elsewhere                  // what other machines measured; may be empty
    models                     // exported models that the latencies are of; may be empty
    study
    comparisons                // [] where the run began with a table
    split
    plan
    shards
    card
    rounds                     // of scaling; [] without
    command                    // that makes the page again, as it tells

    main:
    MERGE(elsewhere.collect(), models, runs)
    measured = latency.mix(MERGE.out).toSortedList { a, b -> a.toString() <=> b.toString() }
    FIT(runs, measured, comparisons, study)
    REPORT(runs, FIT.out, measured, models, comparisons, split, plan, shards, card, rounds, command)

    emit:
    FIT.out.mix(REPORT.out.page, REPORT.out.answers, REPORT.out.figures, REPORT.out.tables).map { each -> placed(each) }
}
