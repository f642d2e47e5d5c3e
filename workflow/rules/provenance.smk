# A finished run, to be handed on.
WITHOUT_WEIGHTS = "crate-without-weights.zip"


rule crate:
    input:
        # Of the first study, and of the others that were built.
        studies=[
            str(path)
            for number, study in enumerate(STUDIES.values())
            if number == 0 or Path(study.folder, "summary.md").exists()
            for path in products(study)
        ],
        manifest=MANIFEST,
        store=STORE,
    output:
        crate=f"{RESULTS}/crate.zip",
    log:
        log_of("crate"),
    benchmark:
        benchmark_of("crate")
    conda:
        "../../envs/provenance.yaml"
    params:
        results=subpath(output.crate, parent=True),
        config=literal(as_json(without_local_paths(config))),
        # When all rules are known.
        rules=lambda wildcards: as_json(shell_commands()),
        code=package_fingerprint(),
        without_weights=lambda wildcards, output: as_json(
            output.crate.endswith(WITHOUT_WEIGHTS)
        ),
    message:
        "The run as an RO-Crate"
    shell:
        "python src crate --results {params.results:q} --config {params.config:q} "
        "--rules {params.rules:q} --output {output.crate:q} "
        "--without-weights {params.without_weights:q} 2>&1 | tee {log:q}"


use rule crate as crate_without_weights with:
    output:
        crate=f"{RESULTS}/{WITHOUT_WEIGHTS}",
    log:
        log_of("crate_without_weights"),
    benchmark:
        benchmark_of("crate_without_weights")
    message:
        "The run as an RO-Crate without its models"
