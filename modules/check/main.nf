// Every parameter, the sample sheet and the study, before any work. Problems come back in problems.txt, so that the
// run ends with the message alone. Each section of the study becomes a file of its own: a task that reads one section
// is not repeated when another section changes.
process CHECK {
    label 'small'

    input:
    val params_json            // '{"input": "sheet.csv", ...}'
    path params_schema         // nextflow_schema.json
    path study, stageAs: 'study/*'
    path sheet, stageAs: 'sheet/*'    // [] without --input

    output:
    path 'sections/*.json', emit: sections, optional: true
    path 'sheet.csv', emit: sheet, optional: true
    path 'problems.txt', emit: problems
    path 'versions.yml', emit: versions, optional: true

    script:
    checking(task.ext.code, params_json, params_schema, study, sheet)

    stub:
    checking(task.ext.code, params_json, params_schema, study, sheet)
}

// A stub run checks too.
def checking(code, params_json, params_schema, study, sheet) {
    """
    : ${code}
    ecg-check --params-base64 ${params_json.bytes.encodeBase64()} --params-schema ${params_schema} --study ${study} \\
        ${sheet ? "--sheet ${sheet}" : ''} --out . --problems problems.txt --versions versions.yml
    """
}
