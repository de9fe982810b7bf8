// The parameters by group, as nextflow_schema.json describes them.
include { place } from './places'

def help() {
    def schema = new groovy.json.JsonSlurper().parse(place("${projectDir}/nextflow_schema.json"))
    def lines = ["ecgscale ${workflow.manifest.version}: ${workflow.manifest.description}", '',
                 'usage: nextflow run . [-profile PROFILE,...] [--parameter VALUE ...]',
                 "   as: nextflow run . --input sheet.csv --study assets/studies/tuned.yaml --outdir results", '']
    schema['$defs'].each { _key, group ->
        lines << group.title
        group.properties.each { name, p ->
            def value = p.containsKey('default') ? " [${p.default}]" : ''
            lines << "  --${name.padRight(20)} ${p.description}${value}".toString()
        }
        lines << ''
    }
    lines.join('\n')
}
