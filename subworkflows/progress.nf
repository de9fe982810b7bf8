// While runs are trained: how many of how many, the best so far, about how long yet. At most some twenty lines a study.
// trained, evaluated: the folders of a batch, [[<run_id>/, ...]]; plan: plan.json
def progress(trained, evaluated, plan) {
    def told = Collections.synchronizedMap([trained: 0, flops: 0.0, judged: 0, best: null, said: 0])
    trained.subscribe { batch ->
        def folders = batch[0]
        told.trained += folders.size()
        told.flops   += folders.collect { folder -> ran(folder.resolve('run.json'))?.train_flops ?: 0.0 }.sum()
    }
    evaluated.combine(plan.map { file -> [ran(file)] }).subscribe { folders, planned ->
        told.judged += folders.size()
        told.best    = ([told.best] + folders.collect { folder -> validated(folder) }).findAll { run -> run }.max { run -> run.score }
        def runs = planned?.runs ?: 0
        if (runs && (told.judged == runs || told.judged - told.said >= runs / 20)) {
            told.said = told.judged
            log.info "${told.judged} of ${runs} runs are trained and evaluated${best(told.best)}${remaining(told.flops, planned, elapsed())}"
        }
    }
}

// A document as a map; null of the empty one that a stub leaves
def ran(file) {
    file.text ? new groovy.json.JsonSlurper().parseText(file.text) : null
}

def best(run) {
    run ? String.format(Locale.ROOT, '; best so far on validation: %s %.3f (run %s)', run.metric.replace('_', ' '), run.score, run.id) : ''
}

def elapsed() {
    System.currentTimeMillis() - workflow.start.toInstant().toEpochMilli()
}

// By the training FLOPs that are done, of those that are planned, and the milliseconds since the workflow began
def remaining(done, planned, spent) {
    def all   = (planned.train_flops ?: 0.0) - (planned.tuning_flops ?: 0.0)
    def share = all > 0 ? done / all : 0
    if (share < 0.02 || share >= 1) {
        return ''
    }
    def left = Math.ceil(spent * (1 - share) / share / 60000) as int
    "; about ${left} minute${left == 1 ? '' : 's'} of training left"
}

// [id: , metric: 'challenge_score', score: 0.41] of validation, by metrics.csv; null of a run that did not finish
def validated(folder) {
    def rows = folder.resolve('metrics.csv').text ? folder.resolve('metrics.csv').splitCsv(header: true, quote: '"') : []
    def whole = rows.findAll { row -> row.part == 'valid' && row.group == 'all' && row.estimate }
    def row = whole.find { each -> each.metric == 'challenge_score' && each.threshold == '0.5' } ?: whole.find { each -> each.metric == 'auroc' }
    row ? [id: folder.name, metric: row.metric, score: row.estimate as double] : null
}
