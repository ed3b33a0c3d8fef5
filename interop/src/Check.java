import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import eu.europa.esig.dss.diagnostic.jaxb.XmlDiagnosticData;
import eu.europa.esig.dss.enumerations.SubIndication;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.simplereport.jaxb.XmlTimestamp;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.revocation.ocsp.ExternalResourcesOCSPSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.executor.signature.DefaultSignatureProcessExecutor;
import eu.europa.esig.dss.validation.policy.ValidationPolicyLoader;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.logging.Level;
import java.util.logging.LogManager;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.RuleId;

/**
 * What veraPDF and EU DSS say of PDF files: one line of JSON a file, in the order given.
 *
 * <pre>Check [--root FILE]... [--crl FILE]... [--ocsp FILE]... [--at INSTANT] [--flavour 3u] PDF-OR-FOLDER...</pre>
 *
 * Roots are the only trust anchors. Revocation data beside what a file carries comes from the files named, and
 * nothing is fetched: it stands for what the authority's site would answer. The policy is DSS's own default;
 * `hardened` is the verdict where changes after the signature fail.
 */
public final class Check {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int EXAMPLES = 3;
    private static final List<String> CHANGES = List.of(
            "ByteRangeCollision", "PdfAnnotationOverlap", "PdfVisualDifference", "DocMDP", "FieldMDP",
            "SigFieldLock", "UndefinedChanges");

    private final List<String> roots = new ArrayList<>();
    private final List<DSSDocument> crls = new ArrayList<>();
    private final List<DSSDocument> ocsps = new ArrayList<>();
    private final List<Path> files = new ArrayList<>();
    private PDFAFlavour flavour = PDFAFlavour.PDFA_3_U;
    private Date at;

    public static void main(String[] arguments) throws Exception {
        LogManager.getLogManager().getLogger("").setLevel(Level.OFF);
        Check check = new Check(arguments);
        VeraGreenfieldFoundryProvider.initialise();
        for (Path file : check.files) {
            ObjectNode line = JSON.createObjectNode();
            line.put("file", file.getFileName().toString());
            line.set("verapdf", check.verapdf(file));
            line.set("dss", check.dss(file));
            System.out.println(JSON.writeValueAsString(line));
            System.out.flush();
        }
    }

    private Check(String[] arguments) throws Exception {
        for (int at = 0; at < arguments.length; at++) {
            switch (arguments[at]) {
                case "--root" -> roots.add(arguments[++at]);
                case "--crl" -> crls.add(new FileDocument(arguments[++at]));
                case "--ocsp" -> ocsps.add(new FileDocument(arguments[++at]));
                case "--at" -> this.at = Date.from(Instant.parse(arguments[++at]));
                case "--flavour" -> flavour = PDFAFlavour.byFlavourId(arguments[++at]);
                default -> addFiles(Path.of(arguments[at]));
            }
        }
    }

    private void addFiles(Path path) throws Exception {
        if (!Files.isDirectory(path)) {
            files.add(path);
            return;
        }
        try (var inside = Files.list(path)) {
            inside.filter(file -> file.toString().endsWith(".pdf")).sorted().forEach(files::add);
        }
    }

    private ObjectNode verapdf(Path file) {
        ObjectNode said = JSON.createObjectNode();
        said.put("profile", flavour.getId());
        try (InputStream stream = Files.newInputStream(file);
                PDFAParser parser = Foundries.defaultInstance().createParser(stream, flavour);
                PDFAValidator validator = Foundries.defaultInstance().createValidator(flavour, -1, false, true, false)) {
            ValidationResult result = validator.validate(parser);
            said.put("compliant", result.isCompliant());
            Map<String, ObjectNode> rules = new TreeMap<>();
            for (Map.Entry<RuleId, Integer> failed : result.getFailedChecks().entrySet()) {
                ObjectNode rule = JSON.createObjectNode();
                rule.put("rule", name(failed.getKey()));
                rule.put("times", failed.getValue());
                rule.putArray("where");
                rules.put(name(failed.getKey()), rule);
            }
            for (TestAssertion assertion : result.getTestAssertions()) {
                ObjectNode rule = rules.get(name(assertion.getRuleId()));
                if (assertion.getStatus() != TestAssertion.Status.FAILED || rule == null) {
                    continue;
                }
                rule.put("message", assertion.getMessage().replaceAll("\\s+", " ").strip());
                ArrayNode where = (ArrayNode) rule.get("where");
                if (where.size() < EXAMPLES) {
                    String reason = assertion.getErrorMessage();
                    where.add(assertion.getLocation().getContext() + (reason == null ? "" : ": " + reason));
                }
            }
            said.putArray("failed").addAll(rules.values());
        } catch (Exception | StackOverflowError error) {
            said.put("error", told(error));
        }
        return said;
    }

    private static String name(RuleId rule) {
        return rule.getClause() + "-" + rule.getTestNumber();
    }

    private ObjectNode dss(Path file) {
        ObjectNode said = JSON.createObjectNode();
        try {
            CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
            for (String root : roots) {
                anchors.addCertificate(DSSUtils.loadCertificate(new File(root)));
            }
            CommonCertificateVerifier verifier = new CommonCertificateVerifier();
            verifier.setTrustedCertSources(anchors);
            verifier.setAIASource(null);
            verifier.setCrlSource(crls.isEmpty() ? null : new ExternalResourcesCRLSource(array(crls)));
            verifier.setOcspSource(ocsps.isEmpty() ? null : new ExternalResourcesOCSPSource(array(ocsps)));
            SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file.toFile()));
            validator.setCertificateVerifier(verifier);
            if (at != null) {
                validator.setValidationTime(at);
            }
            Reports reports = validator.validateDocument();
            SimpleReport report = reports.getSimpleReport();
            SimpleReport strict = hardened(reports.getDiagnosticDataJaxb());
            ArrayNode signatures = said.putArray("signatures");
            for (String id : report.getSignatureIdList()) {
                ObjectNode signature = judged(report, id);
                signature.set("hardened", judged(strict, id));
                signature.put("level", String.valueOf(report.getSignatureFormat(id)));
                signature.put("by", report.getSignedBy(id));
                ArrayNode stamps = signature.putArray("time_stamps");
                for (XmlTimestamp stamp : report.getSignatureTimestamps(id)) {
                    stamps.add(judged(report, stamp.getId()));
                }
                signatures.add(signature);
            }
        } catch (Exception | StackOverflowError error) {
            said.put("error", told(error));
        }
        return said;
    }

    /** The same facts by DSS's own policy, in which changes after the signature fail it instead of a warning. */
    private static SimpleReport hardened(XmlDiagnosticData facts) throws IOException {
        DefaultSignatureProcessExecutor executor = new DefaultSignatureProcessExecutor();
        executor.setDiagnosticData(facts);
        executor.setCurrentTime(facts.getValidationDate());
        try (InputStream policy = hardenedPolicy()) {
            executor.setValidationPolicy(ValidationPolicyLoader.fromValidationPolicy(policy).create());
        }
        return executor.execute().getSimpleReport();
    }

    private static InputStream hardenedPolicy() throws IOException {
        try (InputStream policy = Check.class.getResourceAsStream("/policy/constraint.xml")) {
            String text = new String(policy.readAllBytes(), StandardCharsets.UTF_8);
            for (String check : CHANGES) {
                String failing = text.replace("<" + check + " Level=\"WARN\"", "<" + check + " Level=\"FAIL\"");
                if (failing.equals(text)) {
                    throw new IllegalStateException("the policy has no warning " + check);
                }
                text = failing;
            }
            return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static ObjectNode judged(SimpleReport report, String id) {
        ObjectNode node = JSON.createObjectNode();
        node.put("indication", String.valueOf(report.getIndication(id)));
        SubIndication sub = report.getSubIndication(id);
        node.put("sub_indication", sub == null ? null : sub.name());
        texts(node.putArray("errors"), report.getAdESValidationErrors(id));
        texts(node.putArray("warnings"), report.getAdESValidationWarnings(id));
        return node;
    }

    private static void texts(ArrayNode array, Collection<Message> messages) {
        messages.forEach(message -> array.add(message.getValue()));
    }

    private static DSSDocument[] array(List<DSSDocument> documents) {
        return documents.toArray(new DSSDocument[0]);
    }

    private static String told(Throwable error) {
        return error.getClass().getSimpleName() + ": " + error.getMessage();
    }
}
