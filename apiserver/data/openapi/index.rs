&[
    Recorded {
        path: "api/v1",
        sha512: "844B882FCC8A9093C55BBE723CCB4313BCC6F2F75BD5B8E0FD7793E18DC0F623ADCACD81B123F3DBADB2AE26F6269F195B0C7D0CA2CE99277D4CCD92FF105B4A",
        json_gz: include_bytes!("v3.v1.json.gz"),
    },
    Recorded {
        path: "apis/apps/v1",
        sha512: "78482AE05BE733107DBE2DC1A6D4D6BA134A0EF25D1AD961D683EB3979FE9675DF9CE469080C6B3A36864FAF494462F8D5957B0AD9EDEDA51EC23F42695C858F",
        json_gz: include_bytes!("v3.apps.v1.json.gz"),
    },
    Recorded {
        path: "apis/events.k8s.io/v1",
        sha512: "964411D340AAD9F321AB0F5A7A8FC5976BBECA4EEB81FDFAAD9A479EC916C54F3A4361491E21A72CBC5705F5958051CF3429283ECC86CB10EDED4D653490E3F3",
        json_gz: include_bytes!("v3.events.k8s.io.v1.json.gz"),
    },
    Recorded {
        path: "apis/batch/v1",
        sha512: "E04259E82886FCF5B722C514E2B1D021072EF3F93B5E8891F34ED96D58476D44AE2BCF9C5F6A44E808000808452E8F1B813C541F9617C4F18ABDDD658793526F",
        json_gz: include_bytes!("v3.batch.v1.json.gz"),
    },
    Recorded {
        path: "apis/apiextensions.k8s.io/v1",
        sha512: "8D03D915993E6E944406902E669BCEFBDED8C59241FDA4F03D58056014840E45D6A117C0D6C756824646B5F7BD8807090412BDEE1010C60A8B3349E9A91EAC5B",
        json_gz: include_bytes!("v3.apiextensions.k8s.io.v1.json.gz"),
    },
    Recorded {
        path: "apis/coordination.k8s.io/v1",
        sha512: "7160617F02CC8147A665EB3DCDB4B33D748F2FE5A520B4E1D6EBFAC6D1EF9E7BE16403AF72154D504AF92E2939A007C02A796AC57C2EBBC38F82601620050780",
        json_gz: include_bytes!("v3.coordination.k8s.io.v1.json.gz"),
    },
    Recorded {
        path: "apis/admissionregistration.k8s.io/v1",
        sha512: "6951E4F5155CF18F783388B00199EFC89C41DCDB7FC85AA5763752C6CA3F1843C3B798D15506611A158E7DDF669D6C615908AB2B9AE6664B2A78D33EE7859D80",
        json_gz: include_bytes!("v3.admissionregistration.k8s.io.v1.json.gz"),
    },
    Recorded {
        path: "apis/rbac.authorization.k8s.io/v1",
        sha512: "C3D23A07E94468410769929743E77B6A3C16E34FAEF38E362D8FA50AFCC075E22FD52C22CDEAEF704181CC81D678869543DFE03ABBAC2EB357AB3362006288C7",
        json_gz: include_bytes!("v3.rbac.authorization.k8s.io.v1.json.gz"),
    },
]
