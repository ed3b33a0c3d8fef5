import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Date;
import java.io.ByteArrayInputStream;

import org.bouncycastle.cms.SignerInformationVerifier;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;

/**
 * Verifies evidence records (RFC 4998) by Bouncy Castle: arguments are the time-stamp authority's certificate
 * (DER), then record and object in turn. A line for each: "ok", or what is wrong.
 */
public final class EvidenceCheck {
    public static void main(String[] args) throws Exception {
        byte[] der = Files.readAllBytes(Path.of(args[0]));
        X509Certificate authority = (X509Certificate)
            CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(der));
        SignerInformationVerifier verifier = new JcaSimpleSignerInfoVerifierBuilder().build(authority);
        for (int i = 1; i + 1 < args.length; i += 2) {
            System.out.println(check(new File(args[i]).toPath(), new File(args[i + 1]).toPath(), verifier));
        }
    }

    private static String check(Path record, Path object, SignerInformationVerifier verifier) {
        try {
            ERSEvidenceRecord found = new ERSEvidenceRecord(
                Files.readAllBytes(record), new JcaDigestCalculatorProviderBuilder().build());
            found.validate(verifier);
            Date now = new Date();
            found.validatePresent(new ERSByteData(Files.readAllBytes(object)), now);
            return "ok";
        } catch (Exception wrong) {
            return "no " + wrong.getClass().getSimpleName();
        }
    }
}
