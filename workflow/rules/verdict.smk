# From all tables to a verdict on every claim of the paper, and to one page of results.

# The device is left out: the same numbers stand, whichever it is.
CONFIGURATION = in_order({**config, "device": "auto"})
SUMMARY = f"{RESULTS}/summary.md"
PAGE = "src/bptubeformer/verdict/page.html.j2"


rule verdict:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        complexity=f"{RESULTS}/tables/complexity.csv",
        silhouettes=f"{RESULTS}/tables/silhouettes.csv",
        movement=f"{RESULTS}/tables/movement.csv",
        attention=f"{SHOWN}/attention.safetensors",
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
        "python src verdict --results {params.results} --config {params.config:q} "
        "--scope {params.scope} --output {output.table} 2>&1 | tee {log}"


rule summary:
    input:
        tables=TABLES,
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
        "python src summary --results {params.results} --config {params.config:q} "
        "--base {input.base} --output {output.page} 2>&1 | tee {log}"
