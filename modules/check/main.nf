// Every parameter, the sample sheet and the study, before any work. Problems come back in problems.txt, so that the
// run ends with the message alone. Each section of the study becomes a file of its own: a task that reads one section
// is not repeated when another section changes.
process CHECK {
    label 'small'
    cache false                // the image may have been built again under its name

    input:
    val project                // '0.1.0 66d6ab1d8ccb6fdf': version and digest of lib/; an image has to hold the same
    val params_json            // '{"input": "sheet.csv", ...}'
    path params_schema         // nextflow_schema.json
    path study, stageAs: 'study/*'
    path sheet, stageAs: 'sheet/*'    // [] without --input

    output:
    path 'sections/*.json', emit: sections, optional: true
    path 'sheet.csv', emit: sheet, optional: true
    path 'labels.txt', emit: labels, optional: true        // name of the study's label set: physionet2021
    path 'problems.txt', emit: problems
    path 'versions.yml', emit: versions, optional: true    // what the tasks see

    script:
    checking(task.ext.code, project, params_json, params_schema, study, sheet)

    stub:
    checking(task.ext.code, project, params_json, params_schema, study, sheet)
}

// A stub run checks too. The code comes first: what an older image says of the study ("unknown key") may come from its
// age, and the commands of a container are the image's own.
def checking(code, project, params_json, params_schema, study, sheet) {
    """
    : ${code}
    found=\$(python3 -c 'import ecgscale; from ecgscale.machine.provenance import code_digest; print(ecgscale.__version__, code_digest())')
    if [ "\$found" = "${project}" ]; then
        ecg-check --params-base64 ${params_json.bytes.encodeBase64()} --params-schema ${params_schema} --study ${study} \\
            ${sheet ? "--sheet ${sheet}" : ''} --out . --problems problems.txt
    else
        echo "container image: it holds ecgscale \${found/ /, code }, and this folder is ecgscale ${project.replace(' ', ', code ')}." \
            "Build the image again (make images; make sif), or take the release that made it" > problems.txt
    fi
    """
}
