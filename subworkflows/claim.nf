// One run at a time writes into a results folder: two would mix their files. The lock belongs to the process, so
// whatever ends a run lets go of it.
include { place; ensured } from './places'

// The lock, to be closed when the run has ended; null for a bucket, which is not locked. A folder that another run
// has ends this one with what to do about it.
def claim(folder, mode) {
    def top = place(folder)
    if (top.fileSystem.provider().scheme != 'file') {
        return null
    }
    def here = top.resolve('pipeline_info')
    ensured('--outdir', here)
    unnameable(workflow.workDir, here, mode)
    def lock = new RandomAccessFile(here.resolve('.lock').toFile(), 'rw')
    if (!lock.channel.tryLock()) {
        error "--outdir ${top}: another run writes there (${lock.readLine()}). Wait until it has ended, or give this one another --outdir"
    }
    lock.length = 0
    lock.writeBytes("process ${ProcessHandle.current().pid()} on ${host()}, started ${new Date().format('yyyy-MM-dd HH:mm:ss')}")
    lock
}

// The name of this machine, which in a container or on a node need not be one that the network knows
def host() {
    try {
        return java.net.InetAddress.localHost.hostName
    }
    catch (java.net.UnknownHostException unknown) {
        return unknown.message.tokenize(':')[0]
    }
}

// Ends the run where a file of the work folder cannot be given a name in the results: Nextflow would fail at the first
// task that publishes. A hard link does not reach another file system, and some file systems have no links at all.
def unnameable(work, results, mode) {
    if (mode == 'copy' || work.fileSystem.provider().scheme != 'file') {
        return
    }
    def probe  = java.nio.file.Files.createTempFile(work, 'publish', '.probe')
    def name   = results.resolve(probe.name)
    def reason = ''
    try {
        mode == 'link' ? java.nio.file.Files.createLink(name, probe) : java.nio.file.Files.createSymbolicLink(name, probe)
        name.delete()
    }
    catch (Exception e) {
        reason = e.message
    }
    probe.delete()
    if (reason) {
        error "--publish_mode ${mode}: ${reason}. Files of the work folder ${work} cannot be linked there. Take copy, or put both on one file system"
    }
}
