# A finished run, to be handed on.


rule crate:
    input:
        tables=TABLES,
        figures=FIGURES,
        pages=NOTEBOOK_PAGES,
        projector=PROJECTOR,
        summary=SUMMARY,
        manifest=MANIFEST,
        store=STORE,
        # With the controls, where they were made.
        extended=EXTENDED if Path(RESULTS, "extended").exists() else [],
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
        # Functions: Snakemake would take braces in a string for wildcards.
        config=lambda wildcards: json.dumps(told(config)),
        rules=lambda wildcards: json.dumps(shell_commands()),
        code=package_fingerprint(),
    message:
        "The run as an RO-Crate"
    shell:
        "python src crate --results {params.results:q} --config {params.config:q} "
        "--rules {params.rules:q} --output {output.crate:q} 2>&1 | tee {log:q}"
