// What made this run -> pipeline_info/ecgscale_software_versions.yml: Nextflow, engine and image beside what the tasks
// see. Every task works with the same image or environment: CHECK, the first one, speaks for all.
include { place; below; whole } from './places'

// As the Python function code_digest: names and contents of the package's sources, in the order of Python's paths.
def codeDigest() {
    def root = place("${projectDir}/lib/ecgscale")
    def sha = java.security.MessageDigest.getInstance('SHA-256')
    below(root, '**.py').collect { source -> [root.relativize(source).toString(), source] }
        .sort { a, b -> a[0].replace('/', '\0') <=> b[0].replace('/', '\0') }
        .each { name, source ->
            sha.update(name.bytes)
            sha.update(0 as byte)
            sha.update(source.bytes)
            sha.update(0 as byte)
        }
    sha.digest().encodeHex().toString().take(16)
}

// Identity of the image, as the engine of this machine knows it: a name can be given to another image tomorrow.
def imageId(engine, image) {
    if (engine in ['docker', 'podman']) {
        def said = [engine, 'image', 'inspect', '--format', '{{.Id}}', image].execute()
        return said.waitFor() == 0 ? said.text.trim() - 'sha256:' : "unknown: ${engine} on this machine does not know it"
    }
    def sif = place(image)
    if (!sif.isFile()) {
        return 'unknown: not a file on this machine'
    }
    def sha = java.security.MessageDigest.getInstance('SHA-256')
    sif.withInputStream { stream -> stream.eachByte(1 << 20) { bytes, count -> sha.update(bytes, 0, count) } }
    sha.digest().encodeHex().toString()
}

workflow VERSIONS {
    take:
    tasks                      // versions.yml of CHECK
    outdir

    main:
    tasks.map { seen ->
        def known = ['ecgscale': workflow.manifest.version, 'revision': workflow.commitId, 'code': codeDigest(),
                     'nextflow': "${nextflow.version} build ${nextflow.build}", 'java': System.getProperty('java.version'),
                     'profile': workflow.profile, 'engine': workflow.containerEngine ?: 'none: tasks run in the project\'s own environment']
        def image = workflow.containerEngine ? ['image': workflow.container, 'image_id': imageId(workflow.containerEngine, workflow.container)] : [:]
        seen.text + 'WORKFLOW:\n' + (known + image).findAll { _name, value -> value }
            .collect { name, value -> "  ${name}: ${groovy.json.JsonOutput.toJson(value as String)}\n" }.join()
    }.subscribe { text ->
        whole(place("${outdir}/pipeline_info/ecgscale_software_versions.yml"), text)
    }
}
