# From all tables to a verdict on every claim of the paper, and to one page of results.

# The device is left out: the same numbers stand, whichever it is.
CONFIGURATION = in_order({**config, "device": "auto"})
SUMMARY = f"{RESULTS}/summary.md"
CLAIMS = "src/bptubeformer/claims.yaml"
PAGE = "src/bptubeformer/verdict/page.html.j2"
EVIDENCE = {
    "store": STORE,
    "complexity": rules.complexity.output,
    "silhouettes": rules.silhouettes.output,
    "movement": rules.movement.output,
    "attention": f"{SHOWN}/attention.safetensors",
    "predictions": f"{SHOWN}/predictions.parquet",
    "records": of_folds("run.json", PAPERS_RUNS, PROTOCOLS[:1]),
}


rule verdict:
    input:
        **EVIDENCE,
        accuracy=rules.accuracy.output,
        claims=CLAIMS,
        template=PAGE,
    output:
        table=table("verdict", "Verdicts: every claim of the paper"),
        markdown=f"{RESULTS}/tables/verdict.md",
        page=report(
            f"{RESULTS}/tables/verdict.html",
            caption="../report/verdict.rst",
            category="Verdicts",
            labels={"page": "every claim of the paper"},
        ),
    log:
        log_of("verdict"),
    benchmark:
        benchmark_of("verdict")
    conda:
        "../../envs/training.yaml"
    params:
        results=RESULTS,
        config=CONFIGURATION,
        scope="tables",
        code=command_fingerprint("verdict"),
    message:
        "A verdict on every claim of the paper"
    shell:
        "python src verdict --results {params.results:q} --config {params.config:q} "
        "--scope {params.scope:q} --output {output.table:q} 2>&1 | tee {log:q}"


rule summary:
    input:
        **EVIDENCE,
        tables=TABLES,
        accuracy=rules.accuracy.output,
        claims=CLAIMS,
        base="config.yaml",
    output:
        page=SUMMARY,
    log:
        log_of("summary"),
    benchmark:
        benchmark_of("summary")
    conda:
        "../../envs/training.yaml"
    params:
        results=RESULTS,
        config=CONFIGURATION,
        code=command_fingerprint("summary"),
    message:
        "All tables on one page"
    shell:
        "python src summary --results {params.results:q} --config {params.config:q} "
        "--base {input.base:q} --output {output.page:q} 2>&1 | tee {log:q}"
