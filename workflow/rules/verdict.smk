# From all tables to a verdict on every claim of the paper, and to one page of results.

CONFIGURATION = json.dumps(judged(config))
# Without its comments: they change nothing.
BASE = in_order(
    yaml.safe_load(Path(workflow.basedir, "config.yaml").read_text(encoding="utf-8"))
)
SUMMARY, SUMMARY_PAGE = f"{RESULTS}/summary.md", f"{RESULTS}/summary.html"
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
        table=table("verdict", "Verdicts on every claim"),
        markdown=f"{RESULTS}/tables/verdict.md",
        page=verdict_page("tables"),
    log:
        log_of("verdict"),
    benchmark:
        benchmark_of("verdict")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        results=subpath(output.table, ancestor=2),
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
        base=ancient("config.yaml"),
    output:
        markdown=SUMMARY,
        page=shown(
            SUMMARY_PAGE,
            "summary",
            "Summary and configuration",
            "All tables and the configuration",
        ),
    log:
        log_of("summary"),
    benchmark:
        benchmark_of("summary")
    conda:
        f"../../envs/{TRAINING}.yaml"
    params:
        results=subpath(output.markdown, parent=True),
        config=CONFIGURATION,
        base=BASE,
        code=command_fingerprint("summary"),
    message:
        "All tables on one page"
    shell:
        "python src summary --results {params.results:q} --config {params.config:q} "
        "--base {input.base:q} --output {output.markdown:q} 2>&1 | tee {log:q}"
