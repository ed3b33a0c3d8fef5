import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import eu.europa.esig.dss.enumerations.CertificationPermission;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.InMemoryDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.tsp.KeyEntityTSPSource;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.CRLDistPoint;
import org.bouncycastle.asn1.x509.DistributionPoint;
import org.bouncycastle.asn1.x509.DistributionPointName;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509v2CRLBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * How long EU DSS takes to seal one page, warm: one line of JSON.
 *
 * <pre>SealRate PAGE.pdf LEVEL ROUNDS SEALED.pdf ROOT.der</pre>
 *
 * LEVEL is a name of SignatureLevel. Keys are P-256 and live in memory only; time-stamps come from a key at hand
 * and CRLs are known beforehand, so nothing is fetched. Each round makes the bytes to be signed, signs them and
 * completes the document, permitting no change, as a certification without an appearance. The times are of the
 * rounds after at least as many for warming up: cpu_ms and wall_ms the medians of this thread's processor time and
 * of the clock, process_ms the mean of the whole process's, with its collector and compiler. The last document, its
 * root and the CRLs (ROOT.der.1.crl, ROOT.der.2.crl) are written for a check.
 */
public final class SealRate {
    private static final Duration WARM_UP = Duration.ofSeconds(20);
    private static final Duration LIMIT = Duration.ofSeconds(120);
    private static final String POLICY = "2.999.1"; // an object identifier for examples
    private static final Instant NOW = Instant.now();

    private record Party(KeyPair keys, X509Certificate certificate) {
        CertificateToken token() {
            return new CertificateToken(certificate);
        }
    }

    public static void main(String[] arguments) throws Exception {
        java.util.logging.LogManager.getLogManager().getLogger("").setLevel(java.util.logging.Level.OFF);
        byte[] page = Files.readAllBytes(Path.of(arguments[0]));
        SignatureLevel level = SignatureLevel.valueOf(arguments[1]);
        int rounds = Integer.parseInt(arguments[2]);

        Party root = party("Interop root", null, true, false);
        Party issuing = party("Interop issuing", root, true, false);
        Party seal = party("Interop seal", issuing, false, false);
        Party tsa = party("Interop time-stamps", issuing, false, true);
        PAdESService service = service(root, issuing, tsa);

        Instant begin = Instant.now();
        DSSDocument sealed = null;
        for (int round = 0; round < rounds || past(begin, WARM_UP) < 0; round++) {
            sealed = seal(service, page, level, seal, issuing);
            if (past(begin, LIMIT) > 0) {
                break;
            }
        }
        begin = Instant.now();
        var system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        var threads = ManagementFactory.getThreadMXBean();
        long wholeStart = system.getProcessCpuTime();
        List<Long> busy = new ArrayList<>();
        List<Long> clock = new ArrayList<>();
        while (busy.size() < rounds && past(begin, LIMIT) < 0) {
            long clockStart = System.nanoTime();
            long busyStart = threads.getCurrentThreadCpuTime();
            sealed = seal(service, page, level, seal, issuing);
            busy.add(threads.getCurrentThreadCpuTime() - busyStart);
            clock.add(System.nanoTime() - clockStart);
        }
        double whole = (system.getProcessCpuTime() - wholeStart) / 1e6;
        sealed.save(arguments[3]);
        Files.write(Path.of(arguments[4]), root.certificate().getEncoded());
        Files.write(Path.of(arguments[4] + ".1.crl"), crl(root));
        Files.write(Path.of(arguments[4] + ".2.crl"), crl(issuing));

        ObjectMapper json = new ObjectMapper();
        ObjectNode line = json.createObjectNode();
        line.put("level", level.name());
        line.put("rounds", busy.size());
        line.put("cpu_ms", median(busy));
        line.put("wall_ms", median(clock));
        line.put("process_ms", whole / busy.size());
        System.out.println(json.writeValueAsString(line));
    }

    private static int past(Instant begin, Duration limit) {
        return Duration.between(begin, Instant.now()).compareTo(limit);
    }

    private static double median(List<Long> nanoseconds) {
        return nanoseconds.stream().sorted().skip(nanoseconds.size() / 2).findFirst().orElseThrow() / 1e6;
    }

    private static DSSDocument seal(PAdESService service, byte[] page, SignatureLevel level, Party seal, Party issuing)
            throws Exception {
        PAdESSignatureParameters parameters = new PAdESSignatureParameters();
        parameters.setSignatureLevel(level);
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        parameters.setPermission(CertificationPermission.NO_CHANGE_PERMITTED);
        parameters.setSigningCertificate(seal.token());
        parameters.setCertificateChain(seal.token(), issuing.token());
        parameters.bLevel().setSigningDate(new Date());
        DSSDocument document = new InMemoryDocument(page, "page.pdf");
        ToBeSigned bytes = service.getDataToSign(document, parameters);
        Signature signature = Signature.getInstance("SHA256withECDSA");
        signature.initSign(seal.keys().getPrivate());
        signature.update(bytes.getBytes());
        return service.signDocument(
                document, parameters, new SignatureValue(SignatureAlgorithm.ECDSA_SHA256, signature.sign()));
    }

    private static PAdESService service(Party root, Party issuing, Party tsa) throws Exception {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        anchors.addCertificate(root.token());
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setTrustedCertSources(anchors);
        verifier.setAIASource(null);
        verifier.setOcspSource(null);
        verifier.setCrlSource(new ExternalResourcesCRLSource(
                (InputStream) new ByteArrayInputStream(crl(root)), new ByteArrayInputStream(crl(issuing))));
        PAdESService service = new PAdESService(verifier);
        KeyEntityTSPSource stamper = new KeyEntityTSPSource(
                tsa.keys().getPrivate(), tsa.token(), List.of(tsa.token(), issuing.token()));
        stamper.setTsaPolicy(POLICY);
        service.setTspSource(stamper);
        return service;
    }

    private static Party party(String name, Party issuer, boolean authority, boolean timeStamps) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair keys = generator.generateKeyPair();
        X500Name subject = new X500Name("CN=" + name);
        X500Name by = issuer == null ? subject : new X500Name(issuer.certificate().getSubjectX500Principal().getName());
        JcaX509v3CertificateBuilder builder = new JcaX509v3CertificateBuilder(
                by, BigInteger.valueOf(System.nanoTime()), Date.from(NOW.minus(Duration.ofDays(1))),
                Date.from(NOW.plus(Duration.ofDays(365))), subject, keys.getPublic());
        JcaX509ExtensionUtils identifiers = new JcaX509ExtensionUtils();
        builder.addExtension(Extension.subjectKeyIdentifier, false,
                identifiers.createSubjectKeyIdentifier(keys.getPublic()));
        builder.addExtension(Extension.authorityKeyIdentifier, false, identifiers.createAuthorityKeyIdentifier(
                issuer == null ? keys.getPublic() : issuer.keys().getPublic()));
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(authority));
        builder.addExtension(Extension.keyUsage, true, new KeyUsage(authority
                ? KeyUsage.keyCertSign | KeyUsage.cRLSign
                : timeStamps ? KeyUsage.digitalSignature : KeyUsage.digitalSignature | KeyUsage.nonRepudiation));
        if (timeStamps) {
            builder.addExtension(Extension.extendedKeyUsage, true, new ExtendedKeyUsage(KeyPurposeId.id_kp_timeStamping));
        }
        if (issuer != null) { // DSS takes no status of a certificate that says nowhere where to ask; nothing asks there
            GeneralName place = new GeneralName(GeneralName.uniformResourceIdentifier, "http://localhost/interop.crl");
            builder.addExtension(Extension.cRLDistributionPoints, false, new CRLDistPoint(new DistributionPoint[] {
                new DistributionPoint(new DistributionPointName(new GeneralNames(place)), null, null)
            }));
        }
        PrivateKey signer = issuer == null ? keys.getPrivate() : issuer.keys().getPrivate();
        return new Party(keys, new JcaX509CertificateConverter().getCertificate(builder.build(signer(signer))));
    }

    private static byte[] crl(Party authority) throws Exception {
        X500Name name = new X500Name(authority.certificate().getSubjectX500Principal().getName());
        X509v2CRLBuilder builder = new X509v2CRLBuilder(name, Date.from(NOW.minus(Duration.ofMinutes(1))));
        builder.setNextUpdate(Date.from(NOW.plus(Duration.ofDays(2))));
        builder.addExtension(Extension.authorityKeyIdentifier, false,
                new JcaX509ExtensionUtils().createAuthorityKeyIdentifier(authority.keys().getPublic()));
        X509CRLHolder list = builder.build(signer(authority.keys().getPrivate()));
        return list.getEncoded();
    }

    private static ContentSigner signer(PrivateKey key) throws Exception {
        return new JcaContentSignerBuilder("SHA256withECDSA").build(key);
    }
}
