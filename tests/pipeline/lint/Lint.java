import java.io.File;
import java.util.List;
import java.util.stream.Stream;
import nextflow.config.control.ConfigParser;
import nextflow.script.control.Compiler;
import nextflow.script.control.ParanoidWarning;
import nextflow.script.control.ScriptParser;
import org.codehaus.groovy.control.SourceUnit;
import org.codehaus.groovy.control.messages.SyntaxErrorMessage;
import org.codehaus.groovy.control.messages.WarningMessage;

/** Prints what Nextflow's strict parser says of scripts (*.nf) and configurations: path:line: error or warning: words. */
public class Lint {
    public static void main(String[] paths) {
        var scripts = new ScriptParser();
        var configurations = new ConfigParser();
        for (var path : paths) {
            if (path.endsWith(".nf"))
                scripts.parse(new File(path));
            else
                configurations.parse(new File(path));
        }
        scripts.analyze();
        configurations.analyze();
        Stream.of(scripts.compiler(), configurations.compiler())
            .flatMap(compiler -> compiler.getSources().values().stream())
            .forEach(Lint::tell);
    }

    static void tell(SourceUnit source) {
        var said = source.getErrorCollector();
        for (var message : said.getErrors() == null ? List.<Object>of() : said.getErrors())
            if (message instanceof SyntaxErrorMessage error)
                print(source, error.getCause().getStartLine(), "error", error.getCause().getOriginalMessage());
        for (WarningMessage warning : said.getWarnings() == null ? List.<WarningMessage>of() : said.getWarnings())
            if (!(warning instanceof ParanoidWarning))
                print(source, warning.getContext().getStartLine(), "warning", warning.getMessage());
    }

    static void print(SourceUnit source, int line, String kind, String words) {
        System.out.println(source.getName() + ":" + line + ": " + kind + ": " + words.replace('\n', ' '));
    }
}
