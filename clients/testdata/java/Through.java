import java.sql.*;
import java.util.*;

/** JDBC through a whole grant. Says each step on a line of its own. */
public class Through {
  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    p.setProperty("user", System.getenv("PGUSER"));
    p.setProperty("password", System.getenv("PGPASSWORD"));
    String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/shop-db";
    Connection c = DriverManager.getConnection(url, p);
    PreparedStatement s = c.prepareStatement("SELECT total FROM orders WHERE id = ? AND cust = ?");
    int sum = 0;
    for (int i = 1; i <= 12; i++) { // named on the server from the fifth on
      s.setInt(1, i);
      s.setString(2, "c" + i);
      ResultSet r = s.executeQuery();
      r.next();
      sum += r.getInt(1);
    }
    System.out.println("prepared " + sum);
    c.setAutoCommit(false);
    Statement far = c.createStatement();
    far.setFetchSize(10);
    ResultSet r = far.executeQuery("SELECT id FROM orders ORDER BY id LIMIT 95");
    int n = 0;
    while (r.next()) n++;
    System.out.println("fetched " + n);
    PreparedStatement b = c.prepareStatement("INSERT INTO orders (cust, total) VALUES (?, ?)");
    for (int i = 0; i < 300; i++) {
      b.setString(1, "jdbc");
      b.setInt(2, i);
      b.addBatch();
    }
    System.out.println("batch " + Arrays.stream(b.executeBatch()).sum());
    try {
      c.createStatement().executeQuery("SELECT * FROM salaries");
    } catch (SQLException e) {
      System.out.println("refused " + e.getSQLState());
    }
    c.rollback();
    DatabaseMetaData meta = c.getMetaData();
    ResultSet tables = meta.getTables(null, "public", "orders", new String[] {"TABLE"});
    System.out.println("metadata " + tables.next());
    c.rollback();
    Statement slow = c.createStatement();
    slow.setQueryTimeout(1);
    try {
      slow.execute("SELECT pg_sleep(30)");
    } catch (SQLException e) {
      System.out.println("cancelled " + e.getSQLState());
    }
    c.rollback();
    System.out.println("ready");
    try {
      c.createStatement().execute("SELECT pg_sleep(60)");
      System.out.println("cut went through");
    } catch (SQLException e) {
      System.out.println("cut " + e.getSQLState() + " " + e.getMessage().contains("Curfew: your access to shop-db ended"));
    }
    try {
      DriverManager.getConnection(url, p);
      System.out.println("again came in");
    } catch (SQLException e) {
      System.out.println("again " + e.getMessage().contains("Curfew: "));
    }
  }
}
