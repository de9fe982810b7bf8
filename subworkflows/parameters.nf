// What a run is told, by nextflow_schema.json: checked before anything else, as some of it reaches the scripts of jobs,
// and given the type that the schema names. From the command line all is text, or, in Nextflow 24.10, a number where it
// looks like one.
include { place } from './places'

// [input: [type: 'string', ...], study: ..., ...] in the order of the schema
def described() {
    def schema = new groovy.json.JsonSlurper().parse(place("${projectDir}/nextflow_schema.json"))
    schema['$defs'].values().inject([:]) { all, group -> all + group.properties }
}

// The value with the type of its rule; null where it cannot have that
def typed(value, rule) {
    def text = value.toString()
    if (rule.type == 'integer') {
        return text ==~ /-?[0-9]{1,18}/ ? text as Long : null
    }
    if (rule.type == 'number') {
        return text.isBigDecimal() ? text as BigDecimal : null
    }
    if (rule.type == 'boolean') {
        return text in ['true', 'false'] ? text == 'true' : null
    }
    text
}

// Text that Nextflow has made a number of, and that was written otherwise: --account 0012, outdir: 2024.10
def misread(name, value) {
    def written = workflow.commandLine =~ "--${name}[= ]['\"]?([^\\s'\"]+)"
    value instanceof Number && (written.find() ? written.group(1) != value.toString() : !(value instanceof Integer))
}

// What is wrong with the value, or ''
def problem(name, value, rule) {
    def meant = [integer: 'a whole number', number: 'a number', boolean: 'true or false'][rule.type]
    if (value instanceof Map || value instanceof Collection) {
        return "one value is meant, and ${value} is several"
    }
    if (meant != 'true or false' && value.toString() == 'true') {
        return 'its value is missing'
    }
    def found = typed(value, rule)
    if (found == null) {
        return "'${value}' is not ${meant}"
    }
    if (rule.type == 'string' && misread(name, value)) {
        return "Nextflow has read the number ${value}, and text is meant. Put it in quotes in a file for -params-file"
    }
    if (rule.type == 'string' && found =~ /\p{Cntrl}/) {
        return 'a line break or another control character stands in it'
    }
    if (rule['enum'] && !(found in rule['enum'])) {
        return "'${found}' is not one of ${rule['enum'].join(', ')}"
    }
    if (rule.pattern && !(found =~ rule.pattern)) {
        return "'${found}' does not match ${rule.pattern}"
    }
    if (rule.minimum != null && found < rule.minimum) {
        return "${found} is less than the minimum of ${rule.minimum}"
    }
    if (rule.maximum != null && found > rule.maximum) {
        return "${found} is more than the maximum of ${rule.maximum}"
    }
    ''
}

// Names that the schema lacks, each with the one that may be meant. Nextflow adds trainBatch to --train-batch.
def unknown(told, rules) {
    told.keySet().findAll { name -> !rules.containsKey(name) }
        .groupBy { name -> name.replaceAll(/([a-z])([A-Z])/, '$1_$2').replace('-', '_').toLowerCase() }
        .collect { plain, names ->
            def near = rules.containsKey(plain) ? [plain] : rules.keySet().toList().closest(plain)
            "--${names[0]}: unknown parameter. ${near ? "Did you mean --${near[0]}?" : 'See --help for those there are'}"
        }
}

// Parameters that a configuration file of the user sets (-c, nextflow.config where the run is launched): Nextflow reads
// it after the pipeline's own, which has used some by then. Those would take effect in part only.
def late(told) {
    def seen = nextflow.Global.session.config.navigate('process.ext.seen') ?: [:]
    seen.findAll { name, value -> value?.toString() != told[name]?.toString() }.collect { name, value ->
        "--${name}: a configuration file sets it to ${told[name]}, after the pipeline's own has read ${value ?: 'nothing'}. Give it on the command line or by -params-file"
    }
}

// All parameters by name, each of its type. Whatever is wrong with them ends the run here, a line each; an unknown
// name is only told of with --validate_params false.
def parameters(told) {
    def rules   = described()
    def nobodys = unknown(told, rules)
    def wrong   = rules.findAll { name, _rule -> told[name] != null }
        .collect { name, rule -> [name, problem(name, told[name], rule)] }
        .findAll { _name, words -> words }
        .collect { name, words -> "--${name}: ${words}. ${rules[name].description}" }
    if (nobodys && told.validate_params.toString() == 'false') {
        log.warn nobodys.join('\n')
    }
    else {
        wrong = nobodys + wrong
    }
    if (wrong + late(told)) {
        error((wrong + late(told)).join('\n'))
    }
    ['cpus', 'memory', 'time'].findAll { each -> told["max_${each}".toString()] != null }.each { each ->
        log.info "--max_${each}: read as process.resourceLimits.${each}, Nextflow's own name for it in a configuration file"
    }
    rules.collectEntries { name, rule -> [name, told[name] == null ? null : typed(told[name], rule)] }
}

// They stay with the results: pipeline_info/params_<when>.json
def keep(told) {
    place("${told.outdir}/pipeline_info/params_${told.trace_report_suffix}.json").text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(told)) + '\n'
}
