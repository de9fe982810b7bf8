include { quoted } from '../../subworkflows/quoted'

// Alone on its machine: nothing else of the pipeline runs then, and label 'alone' leaves one processor to the system, so
// that little disturbs the clock.
process BENCH {
    label 'alone'

    input:
    path models, stageAs: 'models/*'
    path study
    val runtimes               // 'torch,onnxruntime,openvino'
    val devices                // 'cpu'

    output:
    path 'latency'             // latency.parquet, times.parquet, environment.json

    script:
    """
    : ${task.ext.code}
    ecg-bench --models models/* --study ${quoted(study)} --runtimes ${quoted(runtimes)} --devices ${quoted(devices)} --out latency --cpus ${task.cpus}
    """

    stub:
    """
    mkdir latency && touch latency/latency.parquet latency/times.parquet latency/environment.json
    """
}
