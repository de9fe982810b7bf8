// A study -> trained and evaluated runs, and one table of them.
include { SAMPLE } from '../modules/sample'
include { TUNE } from '../modules/tune'
include { TRAIN } from '../modules/train'
include { EVALUATE } from '../modules/evaluate'
include { COLLECT } from '../modules/collect'
include { SCALE } from '../modules/scale'
include { placed } from './published'
include { kept } from './places'
include { progress; ran } from './progress'

// The name of the group whose runs are tuned together; '' where the study gives the rate
def group(line) {
    new groovy.json.JsonSlurper().parseText(line).tuning?.group ?: ''
}

// A process gives one folder as itself, several as a list
def several(folders) {
    (folders instanceof List) ? folders : [folders]
}

// The run of a line; null of the empty one that a stub leaves
def spec(line) {
    new groovy.json.JsonSlurper().parseText(line).spec
}

// Lines of runs.jsonl -> batches of `size` lines; a run that teaches others comes with them, in one task
def batched(lines, size) {
    def students = lines.findAll { line -> line =~ /"taught": ?\{/ }.groupBy { line -> spec(line).taught.teacher }
    def teachers = students ? lines.findAll { line -> students.containsKey(spec(line)?.run_id) } : []
    (lines - teachers - students.values().flatten()).collate(size) + teachers.collect { line -> [line] + students[spec(line).run_id] }
}

// All lines, in the order of their groups; rounds come last: they leave other batches as they are. A line that was lost
// on the way would be a run that nobody misses
def complete(groups, plan) {
    def lines = groups.sort { a, b -> (a[0] ?: '~') <=> (b[0] ?: '~') }.collectMany { _name, of -> of }
    def planned = ran(plan)?.runs
    if (planned && lines.size() != planned) {
        error "${plan} plans ${planned} runs, and ${lines.size()} lines of runs.jsonl arrived: a file of the work folder was " +
            "changed or cut short. Remove ${plan.parent.parent}${groups.any { name, _of -> name } ? ' and the folders of TUNE' : ''}, then run the same command with -resume"
    }
    lines
}

workflow MODELS {
    take:
    corpus
    split
    study                      // section files: [runs: ..., evaluation: ..., scale: ...]
    evaluation
    scale
    rounds                     // of scaling, by earlier runs: [round-01.json, ...]
    labels
    classes                    // how many
    settings                   // [checkpoints: <folder>, train_batch: 6, ...]: parameters

    main:
    SAMPLE(study, classes, split, rounds)
    // runs.jsonl -> ['regnet-sgd-...', lines that are tuned together], ..., ['', lines whose rate the study gives]
    groups = SAMPLE.out.runs.flatMap { runs -> runs.readLines().groupBy { line -> group(line) }.collect { name, lines -> [name, lines] } }
        .branch { name, _lines ->
            tuned: name
            fixed: true
        }
    TUNE(groups.tuned.map { name, lines -> [[id: name], kept("${name}.jsonl", lines.join('\n') + '\n')] },
         corpus, split, settings.checkpoints)
    // all lines, in the order of their groups -> [[id: 'runs-0001'], runs-0001.jsonl], ... placed by content
    batches = groups.fixed.mix(TUNE.out.runs.map { meta, runs -> [meta.id, runs.readLines()] })
        .toList().map { all -> [all] }.combine(SAMPLE.out.plan)
        .flatMap { all, plan -> batched(complete(all, plan), settings.train_batch as int).withIndex(1) }
        .map { lines, k -> kept(String.format('runs-%04d.jsonl', k), lines.join('\n') + '\n') }
        .map { runs -> [[id: runs.baseName], runs] }
    TRAIN(batches, corpus, split, settings.checkpoints)
    EVALUATE(TRAIN.out.trained, corpus, split, evaluation, labels)
    progress(TRAIN.out.trained.map { _meta, folders -> [several(folders)] }, EVALUATE.out.evaluated.map { folders -> [several(folders)] }, SAMPLE.out.plan)
    trained = TRAIN.out.trained.map { _meta, folders -> folders }.flatten().toSortedList { a, b -> a.name <=> b.name }.filter { all -> all.size() > 0 }
    evaluated = EVALUATE.out.evaluated.flatten().toSortedList { a, b -> a.name <=> b.name }.filter { all -> all.size() > 0 }
    COLLECT(trained, evaluated, TUNE.out.trials.toSortedList { a, b -> a.toString() <=> b.toString() })
    SCALE(COLLECT.out, trained, rounds, split, scale.filter { section -> new groovy.json.JsonSlurper().parse(section).scale })

    emit:
    trained
    runs = COLLECT.out.map { table -> table.resolve('runs.parquet') }
    comparisons = COLLECT.out  // of runs, by pairs, by seed and by source
    plan = SAMPLE.out.plan
    verdict = SCALE.out.verdict.ifEmpty([])     // on the rounds
    published = SAMPLE.out.runs.mix(SAMPLE.out.plan, SAMPLE.out.memory, SAMPLE.out.described, trained.flatten(), evaluated.flatten(), COLLECT.out, SCALE.out.verdict.flatten(), SCALE.out.next).map { each -> placed(each) }
        .mix(rounds.flatMap { all -> all.collect { round -> ["rounds/${round.name}".toString(), round] } })
}
